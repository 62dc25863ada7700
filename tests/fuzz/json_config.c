/* libFuzzer: a config.json of any bytes beside a sound model.safetensors. */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return walk_bytes("config.json", data, size);
}
