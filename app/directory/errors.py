from app.core.errors import Forbidden, NotFound


class CustomerUnknown(NotFound):
    code, title = "customer_not_found", "No such customer"
    detail = "There is no user of this number."


class ServiceUnknown(NotFound):
    code, title = "service_not_found", "No such service"
    detail = "There is no service of this name."


class NotYourProfile(Forbidden):
    code, title = "not_your_profile", "Somebody else's data"
    detail = "Only the support staff may see what is known of other customers."


class DirectoryAway(Exception):
    """The system that knows could not be reached or gave no usable answer."""
