"""Salesforce Service Cloud."""
