#include "cuda/kernel.cuh"
void wki_cuda_solver_free(void *) {}
