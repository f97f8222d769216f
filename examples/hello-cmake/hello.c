#include <stdio.h>

#include "squares.h"

int
main(void)
{
    printf("9 * 9 = %d, said a program for %s\n", squares[9], MADE_ON);
    return squares[9] != 81;
}
