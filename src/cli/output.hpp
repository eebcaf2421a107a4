#pragma once
// Tables for people, CSV for spreadsheets; JSON is printed as the server said it.
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/time.hpp"
#include "cli/context.hpp"

namespace belay::cli {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

// The table or, where JSON was asked for, `value`.
void print(const Context& context, const Table& table, const json::Value& value, std::ostream& out);

// One object whole: a row a member, nested ones by their path ("Facts.os_name"), times for a reader; or the JSON.
void print_record(const Context& context, const json::Value& value, std::ostream& out);
Table to_record_table(const json::Value& value);

// What was done: a sentence for people, else its record (text members only).
void say(const Context& context, const std::string& sentence, const json::Object& record, std::ostream& out);

std::string to_text_table(const Table& table);
std::string to_csv(const Table& table);  // RFC 4180

// SSM's timestamps (seconds as a number) and our own (ISO 8601) for a reader: "2026-11-23 18:12" in UTC; "-" where
// absent.
std::string time_cell(const json::Value* value);
// A member of any kind as one cell; "-" where absent.
std::string cell(const json::Value& object, std::string_view member);

}  // namespace belay::cli
