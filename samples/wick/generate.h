/* Generation to standard output, shared by run and chat. */
#ifndef WICK_GENERATE_H
#define WICK_GENERATE_H

#include "wick.h"

#include <unistd.h>

/* Text as it was generated; grows. */
struct text {
    char  *bytes;
    size_t length, capacity;
};
/* Prints what follows prompt as it comes; answer and made (may be NULL) get the text and its tokens. Returns
 * an exit code; a context that was cancelled is cleared again. */
int generate(struct session *s, const struct options *o, const wk_tokens *prompt, struct text *answer,
             wk_tokens *made);

#endif
