/* A module that is no backend. */
int wick_nothing(void);
int wick_nothing(void)
{
    return 1;
}
