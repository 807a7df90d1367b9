// SPDX-License-Identifier: Apache-2.0
// Every reason for which a request head is refused: the status for the client and the stable word
// that stands as `error` in the record. The same words describe a bad upstream head, there with
// status 502.
#pragma once

#include "net/http1_head.h"

namespace sallyport::net::refused {

// line ends and characters, seen by the scanner
inline constexpr HeadError kNotHttp{400, "not_http"};
inline constexpr HeadError kBlankLines{400, "blank_lines"};
inline constexpr HeadError kBareLf{400, "bare_lf"};
inline constexpr HeadError kBareCr{400, "bare_cr"};
inline constexpr HeadError kControlCharacter{400, "control_character"};
inline constexpr HeadError kTargetTooLong{414, "target_too_long"};
inline constexpr HeadError kHeadTooLarge{431, "head_too_large"};

// start line
inline constexpr HeadError kRequestLine{400, "request_line_invalid"};
inline constexpr HeadError kStatusLine{400, "status_line_invalid"};
inline constexpr HeadError kVersionSyntax{400, "version_invalid"};
inline constexpr HeadError kVersion{505, "version_unsupported"};
inline constexpr HeadError kMethodSyntax{400, "method_invalid"};
inline constexpr HeadError kMethod{501, "method_unsupported"};

// target
inline constexpr HeadError kTargetForm{400, "target_form_invalid"};
inline constexpr HeadError kTargetAuthority{400, "target_authority_invalid"};
inline constexpr HeadError kTargetHostDiffers{400, "target_host_differs"};
inline constexpr HeadError kTargetFragment{400, "target_fragment"};
inline constexpr HeadError kPathCharacter{400, "path_character_invalid"};
inline constexpr HeadError kPathEscape{400, "path_escape_invalid"};
inline constexpr HeadError kPathEscapeAmbiguous{400, "path_escape_ambiguous"};
inline constexpr HeadError kPathDotSegment{400, "path_dot_segment"};
inline constexpr HeadError kPathEmptySegment{400, "path_empty_segment"};
inline constexpr HeadError kQueryInvalid{400, "query_invalid"};

// fields
inline constexpr HeadError kFieldsTooMany{431, "fields_too_many"};
inline constexpr HeadError kObsFold{400, "obs_fold"};
inline constexpr HeadError kFieldName{400, "field_name_invalid"};
inline constexpr HeadError kFieldNameBlank{400, "field_name_blank"};
inline constexpr HeadError kFieldNoColon{400, "field_without_colon"};
inline constexpr HeadError kFieldValue{400, "field_value_invalid"};
inline constexpr HeadError kFieldDuplicate{400, "field_duplicate"};
inline constexpr HeadError kConnection{400, "connection_invalid"};
inline constexpr HeadError kExpect{417, "expect_unsupported"};
inline constexpr HeadError kHostMissing{400, "host_missing"};
inline constexpr HeadError kHostDuplicate{400, "host_duplicate"};
inline constexpr HeadError kHost{400, "host_invalid"};

// framing
inline constexpr HeadError kContentLength{400, "content_length_invalid"};
inline constexpr HeadError kContentLengthDuplicate{400, "content_length_duplicate"};
inline constexpr HeadError kTransferEncoding{400, "te_invalid"};
inline constexpr HeadError kTransferEncodingDuplicate{400, "te_duplicate"};
inline constexpr HeadError kTransferEncodingWithLength{400, "te_with_cl"};
inline constexpr HeadError kTransferEncodingInHttp10{400, "te_in_http10"};

}  // namespace sallyport::net::refused
