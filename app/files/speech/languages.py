"""Languages by name, as OpenAI's answers have them, to ISO 639 codes: the list of Whisper's own tokenizer."""

from typing import Final

_NAMES: Final = (
    "afrikaans:af albanian:sq amharic:am arabic:ar armenian:hy assamese:as azerbaijani:az bashkir:ba basque:eu "
    "belarusian:be bengali:bn bosnian:bs breton:br bulgarian:bg cantonese:yue catalan:ca chinese:zh croatian:hr "
    "czech:cs danish:da dutch:nl english:en estonian:et faroese:fo finnish:fi french:fr galician:gl georgian:ka "
    "german:de greek:el gujarati:gu haitian_creole:ht hausa:ha hawaiian:haw hebrew:he hindi:hi hungarian:hu "
    "icelandic:is indonesian:id italian:it japanese:ja javanese:jv kannada:kn kazakh:kk khmer:km korean:ko lao:lo "
    "latin:la latvian:lv lingala:ln lithuanian:lt luxembourgish:lb macedonian:mk malagasy:mg malay:ms malayalam:ml "
    "maltese:mt maori:mi marathi:mr mongolian:mn myanmar:my nepali:ne norwegian:no nynorsk:nn occitan:oc pashto:ps "
    "persian:fa polish:pl portuguese:pt punjabi:pa romanian:ro russian:ru sanskrit:sa serbian:sr shona:sn sindhi:sd "
    "sinhala:si slovak:sk slovenian:sl somali:so spanish:es sundanese:su swahili:sw swedish:sv tagalog:tl tajik:tg "
    "tamil:ta tatar:tt telugu:te thai:th tibetan:bo turkish:tr turkmen:tk ukrainian:uk urdu:ur uzbek:uz "
    "vietnamese:vi welsh:cy yiddish:yi yoruba:yo"
)
_CODES: Final = dict(pair.split(":") for pair in _NAMES.split())


def language_code(said: str | None) -> str | None:
    """`english`, `en` and `en-US` are all `en`. None for what is no language known here."""
    if not said:
        return None
    plain = said.strip().lower().replace(" ", "_")
    if plain in _CODES:
        return _CODES[plain]
    code = plain.replace("_", "-").partition("-")[0]
    return code if 2 <= len(code) <= 3 and code.isalpha() else None
