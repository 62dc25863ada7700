/* Recorded steps of the layers that models of other kinds are made of. */
#ifndef WK_OPTEST_STEPS_H
#define WK_OPTEST_STEPS_H

#include <stdint.h>

/* Prints what fails; counts on. */
void check_layer_steps(const char *device, int *passed, int *failed);

/* The answers of wk_generate, by recorded steps where the device can, as the CPU's. */
void check_answers(const char *device, int *passed, int *failed);

#endif
