"""What can be done with mail. Session and principal first; the caller's unit of work commits."""

from app.mail.service.attaching import hang
from app.mail.service.confirming import send_confirmation
from app.mail.service.intake import TAKE_IN, Incoming, Taken, note_too_large, receive
from app.mail.service.keeping import look, note_look, retire_raw
from app.mail.service.looking import get, list_mails, list_sent, raw, read_again, send_again, sources
from app.mail.service.sending import SEND, put_on_way, send
from app.mail.service.sending import give_up as give_up_sending
from app.mail.service.splitting import split
from app.mail.service.taking import give_up as give_up_taking
from app.mail.service.taking import take_in
from app.mail.service.webhook import deliver, signature

__all__ = [
    "SEND",
    "TAKE_IN",
    "Incoming",
    "Taken",
    "deliver",
    "get",
    "give_up_sending",
    "give_up_taking",
    "hang",
    "list_mails",
    "list_sent",
    "look",
    "note_look",
    "note_too_large",
    "put_on_way",
    "raw",
    "read_again",
    "receive",
    "retire_raw",
    "send",
    "send_again",
    "send_confirmation",
    "signature",
    "sources",
    "split",
    "take_in",
]
