from app.core.errors import Unavailable


class DatabaseAway(Unavailable):
    code = "database_unreachable"
    title = "The database cannot be reached"
