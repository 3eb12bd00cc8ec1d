"""What can be done with files. Session and principal first, the rest by name; the caller's unit of work commits."""

from app.files.service.intake import Received, Slot, receive, receive_bytes
from app.files.service.processing import Work, begin, complete, fail, give_up, report_progress
from app.files.service.reading import Content, content, get, list_files, open_content, read_text, status, status_of_job
from app.files.service.scanning import check_scanner, pass_scan, quarantine, wait_for_scanner
from app.files.service.uploading import JOB_KIND, add, attach

__all__ = [
    "JOB_KIND",
    "Content",
    "Received",
    "Slot",
    "Work",
    "add",
    "attach",
    "begin",
    "check_scanner",
    "complete",
    "content",
    "fail",
    "get",
    "give_up",
    "list_files",
    "open_content",
    "pass_scan",
    "quarantine",
    "read_text",
    "receive",
    "receive_bytes",
    "report_progress",
    "status",
    "status_of_job",
    "wait_for_scanner",
]
