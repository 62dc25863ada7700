/* libFuzzer: a safetensors file of any bytes, opened and walked. */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return walk_bytes("model.safetensors", data, size);
}
