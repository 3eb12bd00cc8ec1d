"""What can be wrong with a request about mail."""

from app.core.errors import Conflict, NotFound, TooLarge, Unauthenticated


class MailMissing(NotFound):
    code, title = "mail_not_found", "No such mail"
    detail = "There is no mail of this id that you may see."


RAW_REMOVED = "Mails as they came are deleted after a while; what was read of this one is still here."


class RawMissing(NotFound):
    code, title = "mail_raw_not_found", "The bytes are not here"
    detail = "This mail was too large to be taken; it is still where it came from."


class SentMailMissing(NotFound):
    code, title = "sent_mail_not_found", "No such mail"
    detail = "There is no mail of this id that went out."


class MailOff(NotFound):
    code, title = "mail_off", "There is no mail here"
    detail = "This desk takes no mail at this address; an administrator has to set it up."


class SignatureWrong(Unauthenticated):
    code, title = "mail_signature_wrong", "The signature is not valid"
    detail = "The delivery is not signed with the secret, or too long ago."


class MailTooLarge(TooLarge):
    code, title = "mail_too_large", "The mail is too large"
    detail = "The mail is larger than the limit."


class MailNotJoined(Conflict):
    code, title = "mail_not_joined", "The mail is in no conversation"
    detail = "Only a mail that was put into a conversation can be split off from it."


class MailInWork(Conflict):
    code, title = "mail_in_work", "Nothing to try again"
    detail = "Only what failed or could not be read is tried again."
