/*-------------------------------------------------------------------------
 *
 * xactmode.h
 *	  Transaction modes of tasks, and their words.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_XACTMODE_H
#define JDG_BASE_XACTMODE_H

/* task.transaction */
#define JDG_XACT_COMMITTED		'c'
#define JDG_XACT_REPEATABLE		'r'
#define JDG_XACT_SERIALIZABLE	's'
#define JDG_XACT_STANDALONE		'x'

/* the word of a mode, such as "read committed" */
extern const char *jdg_xact_word(char mode);

/*
 * The mode of a word or of "default", in any case.  Raises VALIDATION_ERROR
 * for any other word.
 */
extern char jdg_xact_mode(const char *word);

#endif							/* JDG_BASE_XACTMODE_H */
