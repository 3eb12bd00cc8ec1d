"""What can be wrong with a request about a file."""

from app.core.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound, Problem, TooLarge, Unavailable

_SOON = {"Retry-After": "1"}


class FileMissing(NotFound):
    code = "file_not_found"
    title = "No such file"
    detail = "There is no file of this id that you may see."


class ContentMissing(NotFound):
    code = "file_content_not_found"
    title = "The bytes are gone"
    detail = "The file is known, but its bytes are no longer stored."


class FileTooLarge(TooLarge):
    code = "file_too_large"
    title = "The file is too large"
    detail = "The file is larger than the limit."


class FileEmpty(BadRequest):
    code = "file_empty"
    title = "The file is empty"
    detail = "The file has no content; there is nothing to keep."


class FileTypeNotAllowed(BadRequest):
    code = "file_type_not_allowed"
    title = "This type of file is not allowed"
    detail = "Executables are not accepted, whatever they are called."


class FileFieldMissing(BadRequest):
    code = "file_field_missing"
    title = "There is no file in the request"
    detail = "Send the file as the multipart field 'file'."


class MultipartMalformed(BadRequest):
    code = "multipart_malformed"
    title = "The request body is not well-formed multipart/form-data"
    detail = "Send multipart/form-data with a boundary, complete to its last line."


class FormInvalid(Invalid):
    """A field beside the file is unknown, repeated, or of the wrong form."""


class FileNotScanned(Conflict):
    code = "file_not_scanned"
    title = "The file is not scanned yet"
    detail = "Nothing of a file is given out before it was found clean; try again shortly."
    always = _SOON


class FileQuarantined(Forbidden):
    code = "file_quarantined"
    title = "The file is quarantined"
    detail = "The file was found to be harmful; nothing of it is given out."


class FileNotYours(Forbidden):
    code = "file_not_yours"
    title = "This is another's file"
    detail = "Its uploader and administrators alone may delete a file."


class FileNotQuarantined(Conflict):
    code = "file_not_quarantined"
    title = "The file is not quarantined"
    detail = "Only a file in quarantine can be released from it."


class FileInWork(Conflict):
    code = "file_in_work"
    title = "The file is being read"
    detail = "A worker has this file, or will soon; when it is done, ask again."


class PreviewMissing(NotFound):
    code = "file_preview_not_found"
    title = "There is no preview"
    detail = "No preview can be made of this file."


class FileNotRendered(Conflict):
    code = "file_not_rendered"
    title = "The picture is not ready to be shown"
    detail = "A copy without hidden data is being made for all but its uploader; try again shortly."
    always = _SOON


class FileNotShowable(Forbidden):
    code = "file_not_showable"
    title = "Only its uploader may have this picture"
    detail = "No copy without hidden data (place, camera, author) could be made of the picture."


class StoreUnavailable(Unavailable):
    code = "file_store_unavailable"
    title = "Files cannot be stored or read just now"
    detail = "The store of the files does not answer, or is full; try again shortly."


class RangeNotSatisfiable(Problem):
    code, status, title = "range_not_satisfiable", 416, "The range is outside the file"
    detail = "The Range header asks for bytes that the file does not have."


class QuotaExceeded(TooLarge):
    code = "storage_quota_exceeded"
    title = "There is no room left for this file"
    detail = "With this file more would be stored than is allowed."


class UploadMissing(NotFound):
    code = "upload_not_found"
    title = "No such upload"
    detail = "There is no resumable upload of this id of yours; it may have expired. Begin a new one."


class DirectUploadUnavailable(Conflict):
    code = "direct_upload_unavailable"
    title = "Files are not kept in a bucket here"
    detail = "Send the file to /files/upload or /files/resumable."


class DirectUploadIncomplete(Conflict):
    code = "direct_upload_incomplete"
    title = "Parts of the upload are missing"
    detail = "Not every part was sent in its size; 'parts' names those to send."


class DirectUploadDiffers(Conflict):
    code = "direct_upload_differs"
    title = "The bytes are not those that were announced"
    detail = "Size or SHA-256 differ; nothing was kept. Begin again."


class UploadOffsetWrong(Conflict):
    code = "upload_offset_wrong"
    title = "The upload is at another offset"
    detail = "Upload-Offset is not where the upload stands; HEAD tells where to go on."


class UploadHeaderInvalid(BadRequest):
    code = "upload_header_invalid"
    title = "A header of the tus protocol is missing or malformed"
    detail = "A header of the tus protocol is missing or malformed."


class UploadTooFragmented(BadRequest):
    code = "upload_too_fragmented"
    title = "The upload came in too many pieces"
    detail = "Begin again, and send larger pieces."


class UploadBodyTypeWrong(Problem):
    code, status, title = "upload_body_type_wrong", 415, "The body has the wrong type"
    detail = "Bytes of an upload are sent as application/offset+octet-stream."


class TusVersionUnsupported(Problem):
    code, status, title = "tus_version_unsupported", 412, "That version of tus is not spoken here"
    detail = "Send 'Tus-Resumable: 1.0.0'."


class ChecksumMismatch(Problem):
    code, status, title = "upload_checksum_mismatch", 460, "The checksum does not fit"
    detail = "The bytes are not those of which Upload-Checksum was made; none of them was kept. Send them again."
