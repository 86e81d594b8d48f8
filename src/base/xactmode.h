/*-------------------------------------------------------------------------
 *
 * xactmode.h
 *	  Transaction modes of tasks, and their words.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_XACTMODE_H
#define JDG_BASE_XACTMODE_H

/* the letters of task.transaction and schedule.transaction */
typedef enum JdgXactMode
{
	JDG_XACT_NONE = '\0',		/* not given */
	JDG_XACT_COMMITTED = 'c',
	JDG_XACT_REPEATABLE = 'r',
	JDG_XACT_SERIALIZABLE = 's',
	JDG_XACT_STANDALONE = 'x',
	JDG_XACT_HTTP = 'h'			/* a request, by the http process */
} JdgXactMode;

/* for SQL */
#define JDG_SQL_XACT_COMMITTED "'c'"
#define JDG_SQL_XACT_HTTP "'h'"

/* the word of a mode, such as "read committed"; NULL for JDG_XACT_HTTP */
extern const char *jdg_xact_word(JdgXactMode mode);

/*
 * The mode of a word or of "default", in any case.  Raises VALIDATION_ERROR
 * for any other word.
 */
extern JdgXactMode jdg_xact_mode(const char *word);

#endif							/* JDG_BASE_XACTMODE_H */
