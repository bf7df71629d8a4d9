# Finds OpenBLAS and defines the interface target timernn::blas (library, and the folder of cblas.h).
# Order: pkg-config, then CMake's FindBLAS. It refuses to fall back on another BLAS: the reference one is some
# fifty times slower, and a silent choice would look like a fault of timernn.
# The one exception is a build that brings timernn::blas itself: the arm64 tests (test/native/arm64), which measure nothing.
include_guard(GLOBAL)
if(TARGET timernn::blas)
  return()
endif()

function(timernn_blas_missing reason)
  message(FATAL_ERROR
    "OpenBLAS was not found (${reason}).\n"
    "timernn needs the library and its header cblas.h. Install the package of your system and build again:\n"
    "  Debian, Ubuntu:  apt-get install libopenblas-dev\n"
    "  Fedora, RHEL:    dnf install openblas-devel\n"
    "  Alpine:          apk add openblas-dev\n"
    "  macOS:           brew install openblas\n"
    "An OpenBLAS elsewhere is found through PKG_CONFIG_PATH or CMAKE_PREFIX_PATH.")
endfunction()

# Homebrew does not link OpenBLAS into its prefix, because macOS has a BLAS of its own ("keg-only").
function(timernn_brew_prefix result)
  set(prefix "")
  find_program(TIMERNN_BREW brew)
  if(TIMERNN_BREW)
    execute_process(COMMAND ${TIMERNN_BREW} --prefix openblas
      OUTPUT_VARIABLE prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  set(${result} "${prefix}" PARENT_SCOPE)
endfunction()

set(timernn_blas_hints "")
if(APPLE)
  timernn_brew_prefix(timernn_brew)
  if(timernn_brew)
    list(APPEND CMAKE_PREFIX_PATH "${timernn_brew}")
    list(APPEND timernn_blas_hints "${timernn_brew}/include")
    set(ENV{PKG_CONFIG_PATH} "${timernn_brew}/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  endif()
endif()

set(timernn_blas_link "")
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(TIMERNN_OPENBLAS QUIET IMPORTED_TARGET GLOBAL openblas)
  if(TIMERNN_OPENBLAS_FOUND)
    set(timernn_blas_link PkgConfig::TIMERNN_OPENBLAS)
    list(APPEND timernn_blas_hints ${TIMERNN_OPENBLAS_INCLUDE_DIRS})
    message(STATUS "OpenBLAS ${TIMERNN_OPENBLAS_VERSION} (pkg-config)")
  endif()
endif()
if(NOT timernn_blas_link)
  set(BLA_VENDOR OpenBLAS)
  find_package(BLAS QUIET)
  if(NOT BLAS_FOUND)
    timernn_blas_missing("neither pkg-config nor FindBLAS knows it")
  endif()
  set(timernn_blas_link ${BLAS_LIBRARIES} ${BLAS_LINKER_FLAGS})
  message(STATUS "OpenBLAS ${BLAS_LIBRARIES} (FindBLAS)")
endif()

# Looked up anew in each run: a folder cached from a package that was removed since must not come back.
unset(TIMERNN_CBLAS_INCLUDE_DIR CACHE)
find_path(TIMERNN_CBLAS_INCLUDE_DIR cblas.h
  HINTS ${timernn_blas_hints}
  PATH_SUFFIXES openblas openblas-pthread openblas-openmp openblas-serial)
if(NOT TIMERNN_CBLAS_INCLUDE_DIR)
  timernn_blas_missing("the library is there, but not its header cblas.h")
endif()

add_library(timernn_blas INTERFACE)
target_link_libraries(timernn_blas INTERFACE ${timernn_blas_link})
target_include_directories(timernn_blas SYSTEM INTERFACE "${TIMERNN_CBLAS_INCLUDE_DIR}")
add_library(timernn::blas ALIAS timernn_blas)
