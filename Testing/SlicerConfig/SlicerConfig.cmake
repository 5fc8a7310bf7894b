# What find_package(Slicer) gives to an extension, as far as this one uses it: configured and installed against these
# files, the extension is put together as against a build of Slicer, which takes hours and is not needed for that.
# Each command says which behaviour of Slicer it reproduces; an argument that Slicer does not know is fatal here too.

set(Slicer_VERSION "5.12")
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR "lib/Slicer-${Slicer_VERSION}/qt-scripted-modules")
set(Slicer_CLIMODULES_BIN_DIR "lib/Slicer-${Slicer_VERSION}/cli-modules")

set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionGenerateConfig.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/SlicerExtensionCPack.cmake")
