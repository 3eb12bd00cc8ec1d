"""What can be done with accounts. Session and principal first; the caller's unit of work commits.

People are dealt with by these names; `logins`, `api_keys` and `confirming` by theirs.
"""

from app.accounts.service.people import (
    ADMIN_USERNAME,
    RESERVED,
    add,
    by_address,
    by_confirmed_address,
    change,
    ensure_admin,
    ensure_unproven,
    get,
    page,
    principal_of,
    register,
    usernames,
)

__all__ = [
    "ADMIN_USERNAME",
    "RESERVED",
    "add",
    "by_address",
    "by_confirmed_address",
    "change",
    "ensure_admin",
    "ensure_unproven",
    "get",
    "page",
    "principal_of",
    "register",
    "usernames",
]
