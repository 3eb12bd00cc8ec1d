"""What counts as an executable: by content, by name, by declared type.

| by      | counts                                                                                             |
|---------|----------------------------------------------------------------------------------------------------|
| content | PE and DOS programs (MZ, .NET among them), ELF, Mach-O (fat too), Java class files, JAR, Android    |
|         | packages and DEX, WebAssembly, Windows Installer, Windows shortcuts, Flash, compiled HTML help,    |
|         | Chrome extensions, Python bytecode, Debian and RPM packages; text whose first line is `#!/…` or    |
|         | `@echo off`                                                                                        |
| name    | the last extension (also as Windows or C would read a tricky name) is one a desktop system runs     |
|         | when it is opened: programs, installers, shortcuts and scripts (`RUNNABLE_EXTENSIONS`)             |
| type    | the declared Content-Type names one of the above (`RUNNABLE_TYPES`)                                |

What does not count: source code, logs and stack traces that contain code or commands further down, HTML, SVG,
Office documents with macros (all of them are shown or served as attachments, never run). What an archive holds is
looked at by `app.files.scanning`, in the worker.
"""

import re
from typing import Final

from app.files.filename import extensions
from app.files.sample import Sample
from app.files.signatures import ole_root_class, zip_names

# fmt: off
RUNNABLE_EXTENSIONS: Final = frozenset({
    # programs and libraries
    "exe", "dll", "com", "scr", "pif", "cpl", "sys", "drv", "ocx", "efi", "msc", "gadget", "ax", "elf", "so",
    "dylib", "app", "run", "ko", "axf", "wasm", "class", "pyc", "pyo", "dex", "swf", "jnlp",
    # installers and packages that install when opened
    "msi", "msp", "mst", "msix", "msixbundle", "appx", "appxbundle", "appinstaller", "application", "apk",
    "aab", "ipa", "xapk", "jar", "war", "ear", "deb", "rpm", "snap", "flatpak", "flatpakref", "appimage", "pkg",
    "mpkg", "crx", "xpi", "vsix", "air",
    # shortcuts and shell files
    "lnk", "desktop", "scf", "shb", "shs", "chm", "hlp", "hta", "ins", "isp", "settingcontent-ms", "library-ms",
    "appref-ms", "url",
    # scripts an interpreter of the system runs when they are opened
    "bat", "cmd", "btm", "ps1", "ps1xml", "ps2", "psc1", "psd1", "psm1", "vb", "vbe", "vbs", "js", "jse", "mjs",
    "cjs", "ws", "wsf", "wsc", "wsh", "sct", "msh", "msh1", "msh2", "sh", "bash", "zsh", "csh", "ksh", "fish",
    "command", "applescript", "scpt", "scptd", "ahk", "au3", "a3x",
})

RUNNABLE_TYPES: Final = frozenset({
    "application/x-msdownload", "application/x-dosexec", "application/x-msdos-program",
    "application/x-msdos-windows", "application/vnd.microsoft.portable-executable", "application/x-executable",
    "application/x-pie-executable", "application/x-sharedlib", "application/x-object", "application/x-elf",
    "application/x-mach-binary", "application/x-mach-o", "application/exe", "application/x-exe",
    "application/x-winexe", "application/dos-exe", "application/x-ms-dos-executable",
    "application/x-ms-installer", "application/x-msi", "application/x-windows-installer",
    "application/java-archive", "application/x-java-archive", "application/java-vm",
    "application/x-java-applet", "application/java", "application/vnd.android.package-archive",
    "application/x-dex", "application/wasm", "application/x-shockwave-flash",
    "application/vnd.debian.binary-package", "application/x-debian-package", "application/x-rpm",
    "application/x-redhat-package-manager", "application/x-ms-shortcut", "application/hta",
    "application/x-chrome-extension", "application/vnd.ms-htmlhelp", "application/x-iso9660-appimage",
    "application/x-python-code", "application/x-bytecode.python", "application/x-sh",
    "application/x-shellscript", "application/x-csh", "application/x-bat", "application/bat",
    "application/x-batch", "text/x-sh", "text/x-shellscript", "text/x-script.sh", "text/x-msdos-batch",
    "application/x-powershell", "text/x-powershell", "application/javascript", "application/x-javascript",
    "text/javascript", "text/ecmascript", "application/ecmascript", "text/jscript", "text/vbscript", "text/vbs",
    "application/x-vbs", "application/x-vbscript",
})
# fmt: on

_MAGIC: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x7fELF", "an ELF program or library"),
    (b"\xfe\xed\xfa\xce", "a Mach-O program"),
    (b"\xfe\xed\xfa\xcf", "a Mach-O program"),
    (b"\xce\xfa\xed\xfe", "a Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "a Java class or a universal Mach-O program"),
    (b"\xca\xfe\xba\xbf", "a universal Mach-O program"),
    (b"\xbe\xba\xfe\xca", "a universal Mach-O program"),
    (b"\0asm", "a WebAssembly module"),
    (b"dex\n03", "an Android DEX program"),
    (b"dex\n04", "an Android DEX program"),
    (b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0", "a Windows shortcut"),
    (b"ITSF\3\0\0\0", "a compiled HTML help file"),
    (b"Cr24", "a Chrome extension package"),
    (b"!<arch>\ndebian-binary", "a Debian package"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
)
_INSTALLER_CLASSES: Final = frozenset(
    bytes.fromhex(start + "0c0000000000c000000000000046") for start in ("8410", "8610", "8210")
)
_SHEBANG: Final = re.compile(rb"(?:\xef\xbb\xbf)?#![ \t]*/")
_BATCH: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*@echo[ \t]+off\b", re.IGNORECASE)
_FLASH_VERSIONS: Final = range(1, 60)
_PYTHON_MAGICS: Final = range(3000, 4000)


def executable_content(sample: Sample) -> str | None:
    """What kind of executable the bytes are, as a phrase, or None."""
    head = sample.head
    for magic, phrase in _MAGIC:
        if head.startswith(magic):
            return phrase
    if head[:2] in (b"MZ", b"ZM") and b"\0" in head[:1024]:
        return "a DOS or Windows program"
    if head[:3] in (b"FWS", b"CWS", b"ZWS") and len(head) > 8 and head[3] in _FLASH_VERSIONS and b"\0" in head[:64]:
        return "a Flash program"
    if (
        head[2:4] == b"\r\n"
        and len(head) > 16
        and 3000 <= int.from_bytes(head[:2], "little") < 4000
        and b"\0" in head[4:16]
    ):
        return "Python bytecode"
    if _SHEBANG.match(head):
        return "a script (its first line names an interpreter)"
    if _BATCH.match(head):
        return "a batch script"
    if ole_root_class(sample) in _INSTALLER_CLASSES:
        return "a Windows Installer package"
    if head.startswith(b"PK\3\4"):
        return _executable_package(zip_names(sample))
    return None


def is_script(head: bytes) -> bool:
    """Text that an interpreter runs, as opposed to a program of its own."""
    return _SHEBANG.match(head) is not None or _BATCH.match(head) is not None


def executable_name(filename: str | None) -> str | None:
    """The extension by which `filename` is runnable, or None."""
    return min(extensions(filename) & RUNNABLE_EXTENSIONS, default=None)


def executable_type(declared: str | None) -> str | None:
    """The declared media type without its parameters when it names an executable, else None."""
    media_type = (declared or "").partition(";")[0].strip().lower()
    return media_type if media_type in RUNNABLE_TYPES else None


def _executable_package(names: list[bytes]) -> str | None:
    found = set(names)
    if b"AndroidManifest.xml" in found and (b"classes.dex" in found or b"resources.arsc" in found):
        return "an Android package"
    if b"AppxManifest.xml" in found:
        return "a Windows app package"
    if b"META-INF/MANIFEST.MF" in found and any(name.endswith(b".class") for name in names):
        return "a Java archive"
    return None
