# Every source of LAMMPS reads pointers.h, and with it much of the C++ library and fmt: compiled once, not several hundred times.
cmake_language(DEFER CALL target_precompile_headers lammps PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${CMAKE_CURRENT_SOURCE_DIR}/../src/pointers.h>")
