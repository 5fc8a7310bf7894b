"""One run of the application: started over a scene, modules opened, left and reloaded, and ended without a trace."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import re
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any

import slicer
import slicer_host
from PySide6.QtCore import QEvent, QEventLoop, QtMsgType, qInstallMessageHandler

from panel_host import popups, qt_modules, sample_data
from panel_host.module_widgets import qSlicerScriptedLoadableModule
from panel_host.pythonqt import unwrap, wrap
from panel_host.sequences_module import qSlicerSequencesModule
from panel_host.slicer_application import qSlicerApplication
from panel_host.thread_watch import ThreadWatch

_IDLE_US = 1000
# Functions of a PyDLL run without letting go of Python's lock.
_C_LIBRARY = ctypes.PyDLL(None)
if sys.version_info < (3, 12):
    # As Python does since 3.12, for which PySide6 is built: it gives these back more often than it takes them, and the
    # process would end with the last reference.
    for _constant in (None, True, False):
        ctypes.c_ssize_t.from_address(id(_constant)).value += 2**32

HARMLESS_QT_MESSAGES = re.compile("propagateSizeHints|XDG_RUNTIME_DIR|QFontDatabase")

console_errors: list[str] = []
_opened: list[Any] = []


@contextlib.contextmanager
def application() -> Iterator[Any]:
    """Run the application over `slicer.mrmlScene`, and yield `slicer.app`.

    `qt`, `ctk`, `slicer.app`, `slicer.modules` and Slicer's widget classes are there until it ends. What would appear
    on the console is in `console_errors`: exceptions in slots, observers and threads, and Qt's own warnings; also each
    change of the scene outside the main thread, which Slicer forbids.
    """
    slicer_host.install()
    app = wrap(qSlicerApplication.instance() or qSlicerApplication())
    console_errors.clear()
    popups.forget()
    with contextlib.ExitStack() as undo:
        before = {name: module for name, module in sys.modules.items() if _is_of_the_project(module)}
        undo.callback(_undo_reload, before)
        _provide(app, undo)
        _listen(undo)
        unwrap(app)._begin(slicer.mrmlScene)
        undo.callback(unwrap(app)._end)
        undo.callback(ThreadWatch(slicer.mrmlScene, console_errors.append).end)
        undo.callback(close)
        yield app


def open_module(name: str) -> Any:
    """Do what Slicer does when the user opens a module, and return its widget.

    The module class is made when the application starts, here at the first opening; then the panel is made with the
    widget class (constructor, `setup`), gets the scene, is shown, and `enter` is called. A module that is open is left
    first. Opening one again shows the same widget.
    """
    leave_module()
    manager = unwrap(slicer.app.moduleManager())
    if name not in manager._modules:
        python_module = importlib.import_module(name)
        module = manager._modules[name] = qSlicerScriptedLoadableModule(python_module.__file__, manager)
        setattr(slicer.modules, name.lower(), wrap(module))
        getattr(python_module, name)(wrap(module))
        unwrap(slicer.app).startupCompleted.emit()
    representation = manager._modules[name].widgetRepresentation()
    slicer.app._qt._window._add(representation)
    _opened[:] = [representation]
    representation.enter()
    return representation.self()


def leave_module() -> None:
    """Do what Slicer does when the user opens another module: `exit`, and the panel goes."""
    for representation in _opened:
        representation.exit()
        slicer.app._qt._window._remove(representation)
    _opened.clear()


def reload_module(name: str) -> Any:
    """Press "Reload", which developers have in their panel, and return the new widget."""
    getattr(slicer.modules, f"{name}Widget").onReload()
    return getattr(slicer.modules, f"{name}Widget")


def close() -> None:
    """Do what Slicer does with its modules when it quits: leave the one that is open, then clean up each of them."""
    leave_module()
    manager = unwrap(slicer.app.moduleManager())
    for name in list(manager._modules):
        manager.moduleAboutToBeUnloaded.emit(name)
        module = manager._modules.pop(name)
        for qt_object in (module._representation, module):
            if qt_object is not None:
                qt_modules.delete(qt_object)


def wait_until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Let the event loop run until a condition holds; TimeoutError if it does not within some seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Not within {seconds:g} s; on the console: {console_errors}")
        process_events()


def process_events(milliseconds: int = 20) -> None:
    """Let the event loop run for a moment: timers fire, queued signals arrive, and `deleteLater` deletes.

    Slicer's event loop keeps Python's lock while it idles, for CTK initialises Python on the main thread and never lets
    go of the lock: other threads of Python get on only where Python code on the main thread sleeps or waits. PySide6
    lets go of it within `processEvents`, for which a waiting thread gets a single turn here; the loop idles afterwards.
    """
    application = qSlicerApplication.instance()
    application.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, milliseconds)
    application.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    _C_LIBRARY.usleep(_IDLE_US)


def set_testing(enabled: bool) -> None:
    """Switch Slicer's testing mode, in which it runs its self-tests, on or off."""
    slicer.app._qt._testing = enabled


def _provide(app: Any, undo: contextlib.ExitStack) -> None:
    """Put the application's modules and names where a module's code looks for them."""
    modules = types.ModuleType("slicer.modules")
    modules.sequences = wrap(qSlicerSequencesModule())
    provided = {"qt": qt_modules.qt, "ctk": qt_modules.ctk, "slicer.modules": modules, "SampleData": sample_data}
    for name, module in provided.items():
        sys.modules[name] = module
        undo.callback(sys.modules.pop, name, None)
    for name, value in {"app": app, "modules": modules, "selfTests": {}, **qt_modules.slicer_classes}.items():
        setattr(slicer, name, value)
        undo.callback(delattr, slicer, name)


def _listen(undo: contextlib.ExitStack) -> None:
    """Record in `console_errors` what would appear on the console."""
    for owner in (sys, threading):
        undo.callback(setattr, owner, "excepthook", owner.excepthook)
    sys.excepthook = _report
    threading.excepthook = lambda failure: _report(*failure[:3])
    undo.callback(qInstallMessageHandler, None)
    qInstallMessageHandler(_report_qt)


def _undo_reload(before: dict[str, types.ModuleType]) -> None:
    """Put back the modules that the tests have imported, if a reload has put new ones in their place."""
    if any(sys.modules.get(name) is not module for name, module in before.items()):
        for name in [name for name, module in sys.modules.items() if _is_of_the_project(module)]:
            del sys.modules[name]
        sys.modules.update(before)


def _report(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    console_errors.append("".join(traceback.format_exception(kind, error, trace)))
    print(console_errors[-1], file=sys.stderr)


def _report_qt(kind: Any, context: Any, message: str) -> None:
    if kind not in (QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg) and not HARMLESS_QT_MESSAGES.search(message):
        console_errors.append(f"Qt: {message}")


def _is_of_the_project(module: Any) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(f"{slicer_host.MODULE_FOLDER}/")
