/*-------------------------------------------------------------------------
 *
 * label.h
 *	  Labels of tenants.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_LABEL_H
#define JDG_BASE_LABEL_H

/* maximum length of a label, in bytes */
#define JDG_TENANT_BYTES_MAX 128

/*
 * The reason why a text cannot be the label of a tenant, as a detail of an
 * error; NULL: it can.  A label has 1 to JDG_TENANT_BYTES_MAX bytes and no
 * control character.
 */
extern const char *jdg_tenant_fault(const char *label);

#endif							/* JDG_BASE_LABEL_H */
