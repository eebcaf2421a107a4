#include "cli/output.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace belay::cli {
namespace {

const Table kTable{{"A", "LONGER"}, {{"grün", "x"}, {"b\x1b[31m\nc", "say \"hi\", you"}}};

TEST(TextTable, AlignsByCharactersAndIsSafeToPrint) {
  EXPECT_EQ(to_text_table(kTable), "A            LONGER\ngrün         x\nb\\x1b[31m c  say \"hi\", you\n");
}

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(to_csv(kTable), "A,LONGER\r\ngrün,x\r\n\"b\x1b[31m\nc\",\"say \"\"hi\"\", you\"\r\n");
}

TEST(Cells, ShowTimesAndAbsence) {
  EXPECT_EQ(time_cell(nullptr), "-");
  const json::Value seconds = 1764000000.5, text = "2026-11-23T18:12:05Z", zero = 0.0;
  EXPECT_EQ(time_cell(&seconds), "2025-11-24 16:00");
  EXPECT_EQ(time_cell(&text), "2026-11-23 18:12");
  EXPECT_EQ(time_cell(&zero), "-");
  const json::Value row = json::Object{{"n", 5}, {"l", json::Array{"a", "b"}}, {"e", ""}};
  EXPECT_EQ(cell(row, "n"), "5");
  EXPECT_EQ(cell(row, "l"), "a, b");
  EXPECT_EQ(cell(row, "e"), "-");
  EXPECT_EQ(cell(row, "x"), "-");
}

const json::Value kRecord = json::Object{{"Name", "web"},
                                         {"CreatedDate", 1764000000.5},
                                         {"Tags", json::Array{"a", "b"}},
                                         {"Facts", json::Object{{"cpus", 2}, {"none", nullptr}}},
                                         {"Rules", json::Array{json::Object{{"Days", 7}}}}};

TEST(Record, HasARowForEachMemberByItsPath) {
  const auto rows = to_record_table(kRecord).rows;
  EXPECT_EQ(rows, (std::vector<std::vector<std::string>>{{"Name", "web"},
                                                         {"CreatedDate", "2025-11-24 16:00"},
                                                         {"Tags", "a, b"},
                                                         {"Facts.cpus", "2"},
                                                         {"Facts.none", "-"},
                                                         {"Rules[0].Days", "7"}}));
}

TEST(Say, IsASentenceOnlyForPeople) {
  const auto said = [](Format format) {
    Context context;
    context.format = format;
    std::ostringstream out;
    say(context, "tagged mi-1", {{"InstanceId", "mi-1"}}, out);
    return out.str();
  };
  EXPECT_EQ(said(Format::table), "tagged mi-1\n");
  EXPECT_EQ(said(Format::csv), "InstanceId\r\nmi-1\r\n");
  EXPECT_EQ(said(Format::json), "{\n  \"InstanceId\": \"mi-1\"\n}\n");
}

}  // namespace
}  // namespace belay::cli
