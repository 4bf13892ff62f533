# What the CUDA variant adds to the build: the kernels (*.cu, compiled by nvcc without libtorch), their launchers over
# tensors (*.cc, by the C++ compiler), and a libtorch that brings CUDA. Included by CMakeLists.txt.
set(RESNET_TORCH_CUDA_ARCHITECTURES 75 80 86 90 100 120 CACHE STRING
    "Compute capabilities that the kernels are built for: those of the libtorch")
list(TRANSFORM RESNET_TORCH_CUDA_ARCHITECTURES APPEND "-real" OUTPUT_VARIABLE CMAKE_CUDA_ARCHITECTURES)
# libtorch's own runtime is linked by name below. A second one, static, would not know its streams and devices.
set(CMAKE_CUDA_RUNTIME_LIBRARY None)
set(CMAKE_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}" CACHE FILEPATH "The C++ compiler that nvcc calls")
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR "nvcc is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}: the CUDA libtorch needs CUDA 13")
endif()
# CMake before 3.26 does not know that nvcc has C++20.
foreach(form STANDARD EXTENSION)
  if(NOT CMAKE_CUDA20_${form}_COMPILE_OPTION)
    set(CMAKE_CUDA20_${form}_COMPILE_OPTION "-std=c++20")
  endif()
endforeach()

# In a wheel, nvidia/ lies beside torch/; an official archive has the libraries in lib/ and leaves the headers to the toolkit.
file(REAL_PATH "${RESNET_TORCH_LIBTORCH}" cuda_libtorch)
file(GLOB nvidia_include "${cuda_libtorch}/../nvidia/*/include")
file(GLOB cuda_runtime "${cuda_libtorch}/lib/libcudart*.so.*" "${cuda_libtorch}/../nvidia/*/lib/libcudart.so.*")
if(NOT cuda_runtime)
  message(FATAL_ERROR "No libcudart beside the libtorch in ${RESNET_TORCH_LIBTORCH}: `npx resnet-torch setup --device cuda`")
endif()
list(GET cuda_runtime 0 cuda_runtime)

# The toolkit's headers come first: the wheels' are not whole.
target_include_directories(libtorch SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} ${nvidia_include})
# Nothing names a symbol of torch_cuda, whose kernels register themselves as it is loaded.
target_link_libraries(libtorch INTERFACE "-Wl,--push-state,--no-as-needed" torch_cuda c10_cuda "${cuda_runtime}"
  "-Wl,--pop-state")
list(JOIN RESNET_TORCH_CUDA_ARCHITECTURES "," cuda_architectures)
target_compile_definitions(libtorch INTERFACE RESNET_TORCH_CUDA
  RESNET_TORCH_CUDA_ARCHITECTURES="${cuda_architectures}")
set(RESNET_TORCH_CUDA_RPATH "$ORIGIN/../../../../vendor/libtorch-cuda/../nvidia/cu13/lib")

file(GLOB kernel_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/cuda/*.cu")
add_library(cuda_kernels OBJECT ${kernel_sources})
target_include_directories(cuda_kernels PRIVATE "${CMAKE_SOURCE_DIR}/native")
target_compile_options(cuda_kernels PRIVATE -Xcompiler -Wall,-Wextra)
if(RESNET_TORCH_WARNINGS_AS_ERRORS)
  target_compile_options(cuda_kernels PRIVATE --Werror all-warnings)
endif()
