/*-------------------------------------------------------------------------
 *
 * header.h
 *	  Names and values of HTTP headers.
 *
 * Pure C: the code allocates no memory, reads nothing but its arguments, and
 * needs no server header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ENDPOINT_HEADER_H
#define JDG_ENDPOINT_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/* is it a name by RFC 9110, of at most 256 bytes? */
extern bool jdg_header_is_name(const char *name, size_t len);

/* has the value no CR, LF, zero byte or other control character but tabs? */
extern bool jdg_header_is_value(const char *value, size_t len);

/*
 * Does a request have the header from jadugar itself or from libcurl, so that
 * nobody else may set it?  Host, Content-Length, and those of a connection.
 */
extern bool jdg_header_is_reserved(const char *name, size_t len);

/* does the header carry credentials: Authorization, Cookie? */
extern bool jdg_header_is_credential(const char *name, size_t len);

/*
 * Does the name say that the value is a secret?  A header that carries
 * credentials, or one with a word such as token or key in its name.
 */
extern bool jdg_header_sounds_secret(const char *name, size_t len);

#endif							/* JDG_ENDPOINT_HEADER_H */
