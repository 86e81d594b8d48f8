/*-------------------------------------------------------------------------
 *
 * secret_file.h
 *	  Files that hold secrets of user mappings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_SECRET_FILE_H
#define JDG_ENDPOINT_SECRET_FILE_H

#include "endpoint/value.h"

/*
 * Reads the secret of an option from a file, in the current memory context,
 * without the end of its last line.  Raises an error if the file cannot be
 * read, if others than the server and root could read it, or if the secret is
 * one that cannot be sent.  The error contains neither the secret nor the name
 * of the file, which is in the server's log.
 */
extern const char *jdg_secret_file_read(const JdgOption *option,
										const char *path);

/*
 * The same check without the contents: NULL, or why the file cannot be used,
 * in the current memory context.
 */
extern const char *jdg_secret_file_problem(const char *path);

#endif							/* JDG_ENDPOINT_SECRET_FILE_H */
