/* wire_response_fuzz.c - two bytes of key, two of version, and any others as the answer's frame
 * without its size, as a client reads it. */
#include "wire_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_over(data, size);
    const struct wire_api *api = wire_api((int16_t)bytes_take16(&in));
    int16_t version = (int16_t)bytes_take16(&in);
    if (in.failed || !api || version < api->first_version || version > api->last_version)
        return 0;
    int32_t correlation;
    if (wire_decode_response_header(api, version, &in, &correlation) == 0)
        wire_again(api->response, version, in);
    return 0;
}
