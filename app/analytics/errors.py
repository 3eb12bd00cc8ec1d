from app.core.errors import Problem


class PeriodEmpty(Problem):
    code, status, title = "period_empty", 422, "There is no day between them"
    detail = "`until` is the day after the last, and must be later than `since` (left out: the first of this month)."
