/* What a device that cannot be opened says. */
#ifndef WK_OPTEST_OPENING_H
#define WK_OPTEST_OPENING_H

#include <stdbool.h>

/* Prints what fails. No context may be open on the device. */
bool check_opening(const char *device);

#endif
