"""The side that knows 3D Slicer: volumes, views and tables of a MRML scene, and the logic of the module."""
