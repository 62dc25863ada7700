/* Copies between contexts on a device, a second one and the host. */
#ifndef WK_OPTEST_TRANSFERS_H
#define WK_OPTEST_TRANSFERS_H

#include <stdbool.h>

/* Prints what fails. */
bool check_transfers(const char *device);

#endif
