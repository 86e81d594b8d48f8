/*-------------------------------------------------------------------------
 *
 * label.c
 *	  Labels of tenants, see label.h.
 *
 * Pure.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/label.h"

const char *
jdg_tenant_fault(const char *label)
{
	if (label[0] == '\0')
		return "The name of the tenant is empty.";
	if (strlen(label) > JDG_TENANT_BYTES_MAX)
		return "The name of the tenant is longer than 128 bytes.";
	for (const char *p = label; *p; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7f)
			return "The name of the tenant contains a control character.";
	}
	return NULL;
}
