"""Widgets of CTK, with the properties, signals and slots of the real ones as far as a module's panel uses them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QEvent, QObject, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QMessageBox,
    QSizePolicy,
    QStyle,
    QStyleOption,
    QWidget,
)


class ctkCollapsibleButton(QAbstractButton):
    """CTK's section of a panel: a title that hides or shows what the section holds.

    As there: `collapsed` reads and sets it, a click on the title toggles it, `contentsCollapsed(bool)` tells of it, and
    a child that was hidden on its own stays hidden when the section is unfolded.
    """

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hidden_by_collapse: list[QWidget] = []
        self._title_height = self.fontMetrics().height() + 8
        self.setContentsMargins(0, self._title_height, 0, 0)
        self.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Preferred)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, shown: bool) -> None:
        if shown:
            for child in self._hidden_by_collapse:
                child.setVisible(True)
            self._hidden_by_collapse = []
        else:
            for child in self.children():
                self._hide(child)
        self.setMaximumHeight(16777215 if shown else self._title_height)
        self.contentsCollapsed.emit(not shown)

    def _hide(self, child: QObject) -> None:
        if not isinstance(child, QWidget):
            return
        hidden_on_its_own = child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide) and child.isHidden()
        if not hidden_on_its_own:
            child.setVisible(False)
            self._hidden_by_collapse.append(child)

    def _get_collapsed(self) -> bool:
        return not self.isChecked()

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed)

    def event(self, event: QEvent) -> bool:
        # A .ui file sets `collapsed` before it adds the children.
        if event.type() == QEvent.Type.ChildPolished and not self.isChecked():
            self._hide(event.child())
        return super().event(event)

    def hitButton(self, position: Any) -> bool:
        return position.y() < self._title_height

    def sizeHint(self) -> QSize:
        width = self.fontMetrics().horizontalAdvance(self.text()) + self._title_height
        inside = self.layout().totalSizeHint() if self.layout() and self.isChecked() else QSize(0, 0)
        return QSize(max(width, inside.width()), max(self._title_height, inside.height()))

    def minimumSizeHint(self) -> QSize:
        inside = self.layout().totalMinimumSize() if self.layout() and self.isChecked() else QSize(0, 0)
        return QSize(inside.width(), max(self._title_height, inside.height()))

    def paintEvent(self, event: QEvent) -> None:
        painter = QPainter(self)
        title = QRect(0, 0, self.width(), self._title_height - 2)
        painter.fillRect(title, self.palette().color(QPalette.ColorRole.Midlight))
        arrow = QStyleOption()
        arrow.initFrom(self)
        side = self._title_height - 12
        arrow.rect = QRect(6, (title.height() - side) // 2, side, side)
        pointing = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        if not self.isChecked():
            pointing = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        self.style().drawPrimitive(pointing, arrow, painter, self)
        painter.drawText(title.adjusted(side + 14, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self.text())


class ctkDoubleSpinBox(QWidget):
    """CTK's spin box for floating-point numbers: a widget around a QDoubleSpinBox, with its properties."""

    valueChanged = Signal(float)
    editingFinished = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.editingFinished.connect(self.editingFinished)

    def _of_box(kind: type, read: str, write: str) -> Property:  # noqa: N805 - makes the properties below
        return Property(
            kind, lambda self: getattr(self._box, read)(), lambda self, value: getattr(self._box, write)(value)
        )

    minimum = _of_box(float, "minimum", "setMinimum")
    maximum = _of_box(float, "maximum", "setMaximum")
    singleStep = _of_box(float, "singleStep", "setSingleStep")
    value = _of_box(float, "value", "setValue")
    decimals = _of_box(int, "decimals", "setDecimals")
    prefix = _of_box(str, "prefix", "setPrefix")
    suffix = _of_box(str, "suffix", "setSuffix")
    readOnly = _of_box(bool, "isReadOnly", "setReadOnly")

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._box.setRange(minimum, maximum)


class ctkComboBox(QComboBox):
    """CTK's combo box: shows `defaultText` while nothing is chosen."""

    def _get_default(self) -> str:
        return self.placeholderText()

    def _set_default(self, text: str) -> None:
        self.setPlaceholderText(text)

    defaultText = Property(str, _get_default, _set_default)


class ctkMessageBox(QMessageBox):
    """CTK's message box, which `slicer.util` uses for all messages; its "don't show again" is left out."""
