/*-------------------------------------------------------------------------
 *
 * expectrows.h
 *	  How many rows the statement of a task is to return or change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_EXPECTROWS_H
#define JDG_BASE_EXPECTROWS_H

/* in the order of jdg_expect_rows_words */
typedef enum JdgExpectRows
{
	JDG_ROWS_ANY,
	JDG_ROWS_SOME,
	JDG_ROWS_ONE
} JdgExpectRows;

/* the words, up to a NULL */
extern const char *const jdg_expect_rows_words[];

/*
 * The letter in the columns expect_rows of tasks and schedules, and back; the
 * letter '\0' stands for null, which is JDG_ROWS_ANY.
 */
extern char jdg_expect_rows_out(JdgExpectRows rows);
extern JdgExpectRows jdg_expect_rows_in(char letter);

#endif							/* JDG_BASE_EXPECTROWS_H */
