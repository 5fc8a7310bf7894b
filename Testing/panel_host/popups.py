"""Pop-ups that nobody is there to click away: each is recorded, and answered as the test said beforehand."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QMessageBox

if TYPE_CHECKING:
    from panel_host.pythonqt import PythonQtObject


@dataclass(frozen=True)
class Popup:
    """A dialog as the user met it, and the button that was pressed.

    `kind` is "information", "warning", "critical", "question" or "" and `details` what the details button unfolds;
    `buttons` and `answer` are the texts on the buttons, without the ampersands of their shortcuts.
    """

    kind: str
    title: str
    text: str
    details: str
    buttons: tuple[str, ...]
    answer: str


shown: list[Popup] = []
_answers: deque[str] = deque()


def answer(*buttons: str) -> None:
    """Say which buttons the next pop-ups are to be answered with: the texts on them, in any case."""
    _answers.extend(buttons)


def forget() -> None:
    """Forget what was shown, and the answers that were not needed."""
    shown.clear()
    _answers.clear()


def run(wrapper: PythonQtObject) -> int:
    """Stand in for `QDialog.exec`, which waits until the user has closed the dialog, and return its result.

    A message box with one button is answered with it. Any other dialog needs an `answer`: without one this raises,
    where Slicer would wait.
    """
    dialog = wrapper._qt
    buttons = _buttons(dialog)
    wanted = _answers.popleft() if _answers else (next(iter(buttons)) if len(buttons) == 1 else "")
    pressed = next((text for text in buttons if text.lower() == wanted.lower()), None)
    is_box = isinstance(dialog, QMessageBox)
    text = dialog.text() if is_box else ""
    if pressed is None:
        raise AssertionError(f"Nobody answered {text or dialog.windowTitle()!r} with one of {', '.join(buttons)}.")
    kind = dialog.icon().name.lower().replace("noicon", "") if is_box else ""
    details = dialog.detailedText() if is_box else ""
    shown.append(Popup(kind, dialog.windowTitle().strip(), text, details, tuple(buttons), pressed))
    dialog.show()
    buttons[pressed]()
    return dialog.result()


def would_wait(qt_class: type, name: str) -> bool:
    """Return whether a static function of a class opens a dialog and waits, as `QFileDialog.getOpenFileName` does."""
    waits = {"about", "critical", "information", "question", "warning"}
    if issubclass(qt_class, (QFileDialog, QInputDialog)):
        return name.startswith("get")
    return issubclass(qt_class, QMessageBox) and name in waits


def _buttons(dialog: QDialog) -> dict:
    if not isinstance(dialog, QMessageBox):
        return {"OK": dialog.accept, "Cancel": dialog.reject}
    pressable = {button.text().replace("&", ""): button.click for button in dialog.buttons()}
    # The details button closes nothing.
    return {text: press for text, press in pressable.items() if not text.endswith("Details...")}
