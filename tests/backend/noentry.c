/* A module that is no backend. */
extern int wick_nothing;
int        wick_nothing = 1;
