"""Every event and what it leads to, in one place. A room adds its lines to `build`; nothing registers itself."""

from app.accounts import events as accounts
from app.accounts.service.confirming import CONFIRM as EMAIL_CONFIRMATION
from app.agents import deliveries as agent_deliveries
from app.agents import events as agents
from app.agents import tasks as agent_tasks
from app.agents.service import JOB_KIND as AGENT_RUN
from app.analytics import events as analytics
from app.conversations import deliveries as conversation_deliveries
from app.conversations import events as conversations
from app.conversations import tasks as conversation_tasks
from app.conversations.service import FOLLOW as CONVERSATION_FOLLOW
from app.conversations.service import OVERDUE as CONVERSATION_OVERDUE
from app.conversations.service import RECAP as CONVERSATION_RECAP
from app.conversations.service import RESCUE as CONVERSATION_RESCUE
from app.conversations.service import TURN as CONVERSATION_TURN
from app.evaluations import tasks as evaluation_tasks
from app.evaluations.service import JOB_KIND as EVALUATION
from app.files import deliveries as file_deliveries
from app.files import events as files
from app.files.service import JOB_KIND as FILE_RECOGNITION
from app.files.service import PART_KIND as FILE_PART
from app.files.service import RENDERING
from app.files.tasks import recognition as file_tasks
from app.files.tasks import rendering
from app.integrations import tasks as integration_tasks
from app.integrations.service import JOB_KIND as EXPORT
from app.knowledge import deliveries as knowledge_deliveries
from app.knowledge import events as knowledge
from app.knowledge import tasks as knowledge_tasks
from app.knowledge.service import CITED, READING
from app.knowledge.service import COPY_KIND as COPYING
from app.knowledge.service import EMBED_KIND as EMBEDDING
from app.knowledge.service import FETCHING as PAGE_FETCHING
from app.knowledge.service import FORGET_KIND as FORGETTING
from app.knowledge.service import JOB_KIND as INDEXING
from app.learning import tasks as learning_tasks
from app.learning.service import JOB_KIND as TRAINING
from app.mail import deliveries as mail_deliveries
from app.mail import tasks as mail_tasks
from app.mail.service import SEND as MAIL_SENDING
from app.mail.service import TAKE_IN as MAIL_TAKING
from app.relay.registry import Subscriptions
from app.resolutions import deliveries as resolution_deliveries
from app.resolutions import events as resolutions
from app.resolutions import tasks as resolution_tasks
from app.resolutions.service import JOB_KIND as RESOLUTION
from app.tickets import deliveries as ticket_deliveries
from app.tickets import events as tickets
from app.tickets import tasks as ticket_tasks
from app.tickets.service import CATCHING_UP
from app.websocket import pushes


def build(*, resolve_new_tickets: bool = False, draft_replies: bool = False) -> Subscriptions:
    """`resolve_new_tickets`: the agents begin to work on each as soon as it is there; `draft_replies`: on those that
    come from a conversation."""
    subscriptions = Subscriptions()
    subscriptions.on(accounts.AccessChanged, pushes.access_changed)
    _tickets(subscriptions)
    _files(subscriptions)
    _agents(subscriptions)
    subscriptions.job(TRAINING, run=learning_tasks.train, exhausted=learning_tasks.give_up)
    subscriptions.job(EVALUATION, run=evaluation_tasks.run, exhausted=evaluation_tasks.give_up)
    subscriptions.on(analytics.BudgetNearlySpent, pushes.budget_nearly_spent)
    subscriptions.on(analytics.BudgetSpent, pushes.budget_spent)
    _resolutions(subscriptions)
    if resolve_new_tickets:
        subscriptions.on(tickets.TicketCreated, resolution_deliveries.after_creation)
    _knowledge(subscriptions)
    subscriptions.job(EXPORT, run=integration_tasks.export_ticket, exhausted=integration_tasks.give_up_export)
    _conversations(subscriptions)
    _mail(subscriptions)
    if draft_replies and not resolve_new_tickets:
        subscriptions.on(conversations.SessionEscalated, conversation_deliveries.draft_reply)
    return subscriptions


def _tickets(subscriptions: Subscriptions) -> None:
    # Nobody waits for one that is given up: the ticket is looked at again another day.
    subscriptions.job(CATCHING_UP, run=ticket_tasks.catch_up, exhausted=None)
    subscriptions.on(tickets.TicketCreated, ticket_deliveries.after_creation)
    subscriptions.on(tickets.TicketUpdated, ticket_deliveries.after_update, pushes.ticket_updated)
    subscriptions.on(tickets.TicketStatusChanged, pushes.ticket_status_changed)
    subscriptions.on(tickets.TicketAssigned, pushes.ticket_assigned)
    subscriptions.on(tickets.TicketCommentAdded, pushes.ticket_comment_added)
    subscriptions.on(tickets.TicketCategorised, pushes.ticket_categorised)
    subscriptions.on(tickets.TicketDeleted, pushes.ticket_deleted)


def _files(subscriptions: Subscriptions) -> None:
    subscriptions.job(FILE_RECOGNITION, run=file_tasks.recognise_file, exhausted=file_tasks.give_up_file)
    subscriptions.job(FILE_PART, run=file_tasks.recognise_part, exhausted=file_tasks.give_up_part)
    subscriptions.job(RENDERING, run=rendering.render_file, exhausted=rendering.give_up_rendering)
    subscriptions.on(files.FileUploadStarted, pushes.file_upload_started)
    subscriptions.on(files.FileUploadCompleted, pushes.file_upload_completed)
    subscriptions.on(files.FileProcessingProgress, pushes.file_processing_progress)
    subscriptions.on(files.OcrCompleted, pushes.ocr_completed)
    subscriptions.on(files.TranscriptionCompleted, pushes.transcription_completed)
    subscriptions.on(files.FileProcessingFailed, pushes.file_processing_failed)
    subscriptions.on(files.FileObjectLeft, file_deliveries.after_sharing)
    subscriptions.on(files.FileDeleted, pushes.file_deleted, file_deliveries.after_deletion)


def _agents(subscriptions: Subscriptions) -> None:
    subscriptions.job(AGENT_RUN, run=agent_tasks.run, exhausted=agent_tasks.give_up)
    subscriptions.on(agents.RunCompleted, agent_deliveries.after_run)
    subscriptions.on(agents.RunFailed, agent_deliveries.after_run)
    subscriptions.on(agents.BatchProgressed, pushes.batch_progressed)
    subscriptions.on(files.OcrCompleted, agent_deliveries.after_recognition)
    subscriptions.on(files.TranscriptionCompleted, agent_deliveries.after_recognition)
    subscriptions.on(files.FileProcessingFailed, agent_deliveries.after_recognition)
    subscriptions.on(files.FileDeleted, agent_deliveries.after_recognition)


def _resolutions(subscriptions: Subscriptions) -> None:
    subscriptions.job(RESOLUTION, run=resolution_tasks.advance, exhausted=resolution_tasks.give_up)
    subscriptions.on(agents.RunCompleted, resolution_deliveries.after_run)
    subscriptions.on(agents.RunFailed, resolution_deliveries.after_run)
    subscriptions.on(resolutions.ResolutionProgressed, pushes.resolution_progressed)


def _knowledge(subscriptions: Subscriptions) -> None:
    subscriptions.job(INDEXING, run=knowledge_tasks.index_document, exhausted=knowledge_tasks.give_up_document)
    subscriptions.job(READING, run=knowledge_tasks.read_document, exhausted=knowledge_tasks.give_up_document)
    subscriptions.job(PAGE_FETCHING, run=knowledge_tasks.fetch_page, exhausted=knowledge_tasks.give_up_page)
    subscriptions.job(EMBEDDING, run=knowledge_tasks.embed_all, exhausted=knowledge_tasks.give_up_embedding)
    # What these leave undone costs room or candidates; `evidesk knowledge reindex` mends it.
    subscriptions.job(COPYING, run=knowledge_tasks.copy_vectors, exhausted=None)
    subscriptions.job(FORGETTING, run=knowledge_tasks.forget_vectors, exhausted=None)
    # Whoever cites documents listens to the other two.
    subscriptions.on(knowledge.DocumentIndexed)
    subscriptions.on(knowledge.DocumentChanged)
    subscriptions.on(knowledge.DocumentDeleted, knowledge_deliveries.after_deletion)


def _conversations(subscriptions: Subscriptions) -> None:
    subscriptions.job(CONVERSATION_TURN, run=conversation_tasks.take_turn, exhausted=conversation_tasks.give_up_turn)
    # Whoever is given up here is found again by the next look.
    subscriptions.job(CONVERSATION_RESCUE, run=conversation_tasks.rescue, exhausted=None)
    subscriptions.job(CONVERSATION_FOLLOW, run=conversation_tasks.follow_job, exhausted=None)
    subscriptions.on(conversations.SessionChanged, conversation_deliveries.to_channel)
    subscriptions.on(conversations.SessionEscalated)
    subscriptions.on(conversations.SessionEnded)
    subscriptions.on(tickets.TicketCommentAdded, conversation_deliveries.after_comment)
    subscriptions.on(tickets.TicketStatusChanged, conversation_deliveries.after_change)
    subscriptions.on(tickets.TicketDeleted, conversation_deliveries.after_change)
    # Whose document it is, makes the job; who cites it, does it.
    subscriptions.job(CITED, run=conversation_tasks.recheck, exhausted=None)
    subscriptions.job(CONVERSATION_OVERDUE, run=conversation_tasks.overdue, exhausted=None)
    subscriptions.on(conversations.SessionOverdue, pushes.ticket_overdue)
    # The conversation does without, and the next messages bring another one.
    subscriptions.job(CONVERSATION_RECAP, run=conversation_tasks.recap, exhausted=None)


def _mail(subscriptions: Subscriptions) -> None:
    subscriptions.job(MAIL_TAKING, run=mail_tasks.take_in, exhausted=mail_tasks.give_up_taking)
    # Whoever still wants it asks again.
    subscriptions.job(EMAIL_CONFIRMATION, run=mail_tasks.send_confirmation, exhausted=None)
    subscriptions.job(MAIL_SENDING, run=mail_tasks.send, exhausted=mail_tasks.give_up_sending)
    subscriptions.on(conversations.SessionChanged, mail_deliveries.after_change)
    subscriptions.on(conversations.SessionEscalated, mail_deliveries.after_escalation)
