#pragma once
// What an error is on the wire: SSM's exception names, HTTP status, and words that are safe to send.
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "io/http.hpp"
#include "server/api/shapes/shapes.hpp"

namespace belay::server {

// An error of the operation's own kind: `type` is one of SSM's exception names and goes out as it is.
Error failure(std::string_view type, std::string message);

struct WireError {
  std::string type;
  int http_status = 400;
  std::string message;
};
// A reason that is an exception's name (CamelCase) is the type; the store's and engine's reason words are looked up in
// a table; else the code decides. Failures of ours (internal, corrupt) lose their words: those are for the log.
WireError wire_error(const Error& error, std::string_view request_id);

// Whether the operation's model has the exception, or any request may end with it.
bool may_answer(const shapes::Operation& operation, std::string_view type);
// The same fault under a name that the operation may answer with, where ours is another operation's: one handler's
// checks serve many operations, and SSM calls the same fault differently in each.
WireError named_for(const shapes::Operation& operation, WireError error);

// Of a request that nobody read: too large, malformed, one too many.
io::HttpResponse unread_response(int http_status, std::string_view words, std::string_view request_id);
io::HttpResponse error_response(const WireError& error, std::string_view request_id);

}  // namespace belay::server
