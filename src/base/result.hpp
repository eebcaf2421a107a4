#pragma once
// Operating errors are values. A function that can fail for a reason outside the program returns Result<T>;
// a bug is an assertion (assert.hpp). Each layer adds its own words once with Error::within(); the edge that
// meets a person prints the chain.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/assert.hpp"

namespace belay {

// Stable: they stand in logs, in API errors and behind exit statuses. The table in error_table.hpp says what
// each means to a user.
enum class Code {
  invalid_argument,    // the caller said something that can never be right
  not_found,           // what was named does not exist
  already_exists,      // it is there already
  conflict,            // not now: the state it is in, or somebody else's change, forbids it
  permission_denied,   // known, but not allowed
  unauthenticated,     // not known
  resource_exhausted,  // a limit of ours, a full disk, too many at once
  unavailable,         // cannot be reached or is busy; trying again may help
  timed_out,           // did not end before its deadline
  cancelled,           // somebody asked for it to stop
  corrupt,             // data does not say what it must: a bad checksum, signature or syntax
  unsupported,         // a thing this version or this host cannot do
  internal,            // a failure of the system under us that nobody could foresee
};

std::string_view name(Code code);

class Error {
 public:
  // `reason` is a stable kebab-case word for failures that others act on ("release-expired", "lock-held");
  // empty where the code says enough.
  Error(Code code, std::string message, std::string reason = {})
      : code_(code), message_(std::move(message)), reason_(std::move(reason)) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& reason() const { return reason_; }
  const Error* cause() const { return cause_.get(); }

  // This error, told by an outer layer: same code and reason, new words, the old error as the cause.
  Error within(std::string message) const;

  // "cannot read the package list /x: permission denied": every layer's words, outermost first.
  std::string chain() const;

 private:
  Code code_;
  std::string message_;
  std::string reason_;
  std::shared_ptr<const Error> cause_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return checked(), std::get<0>(content_); }
  const T& value() const& { return checked(), std::get<0>(content_); }
  T&& value() && { return checked(), std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const { return BELAY_ASSERT(!ok()), std::get<1>(content_); }

  // The same result, its error (if any) told in this layer's words.
  Result within(std::string message) && {
    if (ok()) return std::move(*this);
    return error().within(std::move(message));
  }

 private:
  void checked() const { BELAY_ASSERT(ok()); }
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return BELAY_ASSERT(!ok()), *error_; }
  Result within(std::string message) && {
    if (ok()) return {};
    return error_->within(std::move(message));
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace belay

// BELAY_TRY(expression);               leaves the function with the error of a Status
// BELAY_TRY_ASSIGN(auto x, expression); the same of a Result<T>, else x is its value
#define BELAY_CONCAT_(a, b) a##b
#define BELAY_CONCAT(a, b) BELAY_CONCAT_(a, b)
#define BELAY_TRY(...)                                                                \
  do {                                                                                \
    if (auto belay_try_ = (__VA_ARGS__); !belay_try_.ok()) return belay_try_.error(); \
  } while (false)
#define BELAY_TRY_ASSIGN(target, ...) BELAY_TRY_ASSIGN_(BELAY_CONCAT(belay_result_, __LINE__), target, __VA_ARGS__)
#define BELAY_TRY_ASSIGN_(result, target, ...) \
  auto result = (__VA_ARGS__);                 \
  if (!result.ok()) return result.error();     \
  target = std::move(result).value()
