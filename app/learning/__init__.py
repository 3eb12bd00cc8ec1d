"""What people's corrections, approvals and ratings teach: labelled examples of this desk's own tickets.

They stay in this database, belong to whoever runs the desk, and are read by whatever trains the local classifier.
"""
