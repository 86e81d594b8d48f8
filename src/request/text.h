/*-------------------------------------------------------------------------
 *
 * text.h
 *	  Bytes of a service as text of the database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_TEXT_H
#define JDG_REQUEST_TEXT_H

/*
 * The bytes as a text in the database's encoding, palloc'd, or NULL if they
 * cannot be one.  "charset" is the name that the service gives, or NULL: UTF-8.
 * "cut": the bytes may end within a character, which is left out.  Never raises
 * an error for the bytes.  In a transaction.
 */
extern char *jdg_text_of_bytes(const char *bytes, size_t len,
							   const char *charset, bool cut);

/*
 * The same for a line, whatever the bytes are: what cannot be a part of it is
 * replaced by a question mark.
 */
extern char *jdg_text_of_line(const char *bytes, size_t len);

/* The text, or its beginning of at most so many bytes. */
extern char *jdg_text_cut(char *text, size_t max);

#endif							/* JDG_REQUEST_TEXT_H */
