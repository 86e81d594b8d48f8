/*-------------------------------------------------------------------------
 *
 * xactmode.h
 *	  How a task uses transactions: the modes and their words.
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

/* "read committed" and so on */
extern const char *jdg_xact_word(char mode);

/* in any case, "default" too; VALIDATION_ERROR for any other word */
extern char jdg_xact_mode(const char *word);

#endif							/* JDG_BASE_XACTMODE_H */
