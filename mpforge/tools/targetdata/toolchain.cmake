# What CMake is told of @TRIPLE@. Written by mpforge; read by CMAKE_TOOLCHAIN_FILE.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR @MACHINE@)

get_filename_component(MPFORGE_VIEW "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)
set(CMAKE_C_COMPILER "${MPFORGE_VIEW}/bin/cc")
set(CMAKE_CXX_COMPILER "${MPFORGE_VIEW}/bin/c++")
set(CMAKE_ASM_COMPILER "${MPFORGE_VIEW}/bin/cc")
set(CMAKE_LIBRARY_ARCHITECTURE @MULTIARCH@)
foreach(program AR RANLIB STRIP OBJCOPY)
  string(TOLOWER "${program}" name)
  set(CMAKE_${program} "${MPFORGE_VIEW}/bin/${name}" CACHE FILEPATH "mpforge's")
endforeach()

# Nothing is looked for in the host's own directories, but what the step brings is found: a path below
# a root is left as it is. Programs are the host's, from PATH.
set(CMAKE_FIND_ROOT_PATH "${MPFORGE_VIEW}")
if(NOT "$ENV{MPFORGE_STEP_DIR}" STREQUAL "")
  list(APPEND CMAKE_FIND_ROOT_PATH "$ENV{MPFORGE_STEP_DIR}")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

if(NOT "$ENV{MPFORGE_RUN}" STREQUAL "")
  set(CMAKE_CROSSCOMPILING_EMULATOR "$ENV{MPFORGE_RUN}")
endif()
