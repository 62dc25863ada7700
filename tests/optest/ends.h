/* Products whose library ends them with an activation or a sum. */
#ifndef WK_OPTEST_ENDS_H
#define WK_OPTEST_ENDS_H

#include "core/wick.h"

#include <stdbool.h>

/* Prints what fails; library: there is one, so that launches are counted. */
bool check_ends(wk_ctx *c, bool library);

#endif
