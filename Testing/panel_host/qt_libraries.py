"""Whether Qt can be loaded here, and which of its system libraries are missing.

PySide6 brings Qt itself, but not the libraries of the system that Qt is linked against; a slim Linux image lacks some.
Run as a program, this file prints the Debian packages to install, one a line, and fails if there are any.
"""

from __future__ import annotations

import builtins
import ctypes
import importlib.util
import sys

# What the Qt libraries used here and the "offscreen" platform plugin are linked against, with the Debian packages.
DEBIAN_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libzstd.so.1": "libzstd1",
}
QT_MODULES = ("PySide6.QtCore", "PySide6.QtGui", "PySide6.QtWidgets", "PySide6.QtUiTools")


def missing_packages() -> list[str]:
    """Return the Debian packages that Qt needs and that are not installed; nothing on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return []
    return sorted({package for library, package in DEBIAN_PACKAGES.items() if not _loads(library)})


def why_qt_does_not_load() -> str:
    """Return one sentence that says what is missing and what to do, or nothing if Qt loads."""
    if importlib.util.find_spec("PySide6") is None:
        return "PySide6 is not installed: install it with 'pip install PySide6-Essentials'."
    packages = missing_packages()
    error = ""
    try:
        import_qt()
    except ImportError as failure:
        error = str(failure)
    if not packages and not error:
        return ""
    what = error or "some of its system libraries are missing"
    cure = f"install them with 'apt-get install {' '.join(packages)}'" if packages else "install what it names"
    return f"Qt does not load ({what}): {cure}."


def import_qt() -> None:
    """Import Qt, and leave Python's `import` as it was; ImportError if Qt does not load.

    PySide6 puts a function of its own in the place of `import`, which reads the source of each importing module.
    """
    own_import = builtins.__import__
    try:
        for name in QT_MODULES:
            importlib.import_module(name)
    finally:
        builtins.__import__ = own_import


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    missing = missing_packages()
    print("\n".join(missing))
    sys.exit(bool(missing))
