/* wire_request_fuzz.c - any bytes as a request's frame without its size: header, then the body in
 * the version that the header names. */
#include "wire_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_over(data, size);
    struct wire_request_header header;
    int result = wire_decode_request_header(&in, &header);
    check(result == 0 || result == MAPLOG_CORRUPT || result == MAPLOG_UNSUPPORTED);
    check(in.at >= data && in.at <= in.end);
    if (result == 0)
        wire_again(wire_api(header.api_key)->request, header.api_version, in);
    return 0;
}
