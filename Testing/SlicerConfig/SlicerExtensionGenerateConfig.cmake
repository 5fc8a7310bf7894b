# Slicer writes a file here through which other extensions find this one's C++ libraries: there are none.
