/*-------------------------------------------------------------------------
 *
 * expectrows.c
 *	  How many rows the statement of a task is to return or change, see
 *	  expectrows.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/columns.h"
#include "base/expectrows.h"

const char *const jdg_expect_rows_words[] = {"any", "some", "one", NULL};

static const char letters[] = {
	[JDG_ROWS_ANY] = '\0',
	[JDG_ROWS_SOME] = 's',
	[JDG_ROWS_ONE] = 'o'
};

char
jdg_expect_rows_out(JdgExpectRows rows)
{
	return letters[rows];
}

JdgExpectRows
jdg_expect_rows_in(char letter)
{
	return jdg_letter_in(letters, lengthof(letters), letter,
						 "expectation of rows");
}
