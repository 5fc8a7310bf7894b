"""CTK's slider with a spin box beside it."""

from __future__ import annotations

from PySide6.QtCore import Property, Qt, Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget


class ctkSliderWidget(QWidget):
    """CTK's slider and spin box over one floating-point number.

    As there: from 0 to 99 in steps of 1 at first; a value outside the range is clipped; `valueChanged(double)` comes
    only when the value has changed; `decimals` is what the spin box shows, while a value set by the program is kept
    unrounded. Without `tracking`, dragging the slider emits `valueIsChanging(double)`, and the value changes when it is
    let go.
    """

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)
    decimalsChanged = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._minimum, self._maximum, self._value, self._page = 0.0, 99.0, 0.0, 10.0
        self._tracking = True
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._box = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self.setValue)
        self._slider.valueChanged.connect(self._on_slider)
        self._slider.sliderReleased.connect(self._on_released)
        self._show_value()

    @Slot(float)
    def setValue(self, value: float) -> None:
        value = min(max(value, self._minimum), self._maximum)
        changed, self._value = value != self._value, value
        self._show_value()
        if changed:
            self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self._minimum, self._maximum = minimum, max(minimum, maximum)
        self.setValue(self._value)

    def slider(self) -> QSlider:
        return self._slider

    def spinBox(self) -> QDoubleSpinBox:
        return self._box

    def _at(self, position: int) -> float:
        return self._minimum + position * self._box.singleStep()

    def _on_slider(self, position: int) -> None:
        if self._tracking or not self._slider.isSliderDown():
            self.setValue(self._at(position))
        else:
            self.valueIsChanging.emit(self._at(position))

    def _on_released(self) -> None:
        if not self._tracking:
            self.setValue(self._at(self._slider.value()))

    def _show_value(self) -> None:
        silent = self._box.blockSignals(True), self._slider.blockSignals(True)
        self._box.setRange(self._minimum, self._maximum)
        self._box.setValue(self._value)
        step = self._box.singleStep()
        self._slider.setRange(0, round((self._maximum - self._minimum) / step))
        self._slider.setPageStep(max(1, round(self._page / step)))
        if not self._slider.isSliderDown():
            self._slider.setValue(round((self._value - self._minimum) / step))
        self._box.blockSignals(silent[0])
        self._slider.blockSignals(silent[1])

    def _set_decimals(self, decimals: int) -> None:
        silent = self._box.blockSignals(True)
        self._box.setDecimals(decimals)
        self._box.blockSignals(silent)
        self._show_value()
        self.decimalsChanged.emit(decimals)

    def _set_step(self, step: float) -> None:
        if step <= 0:
            raise ValueError(f"A slider cannot move in steps of {step}.")
        self._box.setSingleStep(step)
        self._show_value()

    def _set_page(self, step: float) -> None:
        self._page = step
        self._show_value()

    def _set_tracking(self, on: bool) -> None:
        self._tracking = on

    def _set_box_visible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    value = Property(float, lambda self: self._value, setValue)
    minimum = Property(float, lambda self: self._minimum, lambda self, low: self.setRange(low, self._maximum))
    maximum = Property(
        float, lambda self: self._maximum, lambda self, high: self.setRange(min(self._minimum, high), high)
    )
    decimals = Property(int, lambda self: self._box.decimals(), _set_decimals)
    singleStep = Property(float, lambda self: self._box.singleStep(), _set_step)
    pageStep = Property(float, lambda self: self._page, _set_page)
    tracking = Property(bool, lambda self: self._tracking, _set_tracking)
    prefix = Property(str, lambda self: self._box.prefix(), lambda self, text: self._box.setPrefix(text))
    suffix = Property(str, lambda self: self._box.suffix(), lambda self, text: self._box.setSuffix(text))
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), _set_box_visible)
