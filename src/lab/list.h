/*
 * list.h - lists in words for a report: "epoll, poll". One thread.
 */
#pragma once

#define LIST_BYTES 512 /* of a list; what does not fit is cut */

/* Appends to the list, behind the separator unless it is the first. */
void list_add(char list[static LIST_BYTES], const char *separator, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
