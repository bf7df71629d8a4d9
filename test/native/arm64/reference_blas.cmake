# Gives a build of the native tests a BLAS of its own, so that a cross compiler needs no OpenBLAS of the other
# architecture. Read through CMAKE_PROJECT_timernn_core_INCLUDE. Refuses to be fast: no addon may be linked with it.
add_library(timernn_reference_blas STATIC ${CMAKE_CURRENT_LIST_DIR}/cblas.cpp)
target_include_directories(timernn_reference_blas PUBLIC ${CMAKE_CURRENT_LIST_DIR})
add_library(timernn::blas ALIAS timernn_reference_blas)
