// SPDX-License-Identifier: Apache-2.0
// Many questions on one connection, and what happens when it turns out closed.
#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::net {
namespace {

using Link = RawPeer::Link;

const char* const kGood = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const char* const kLast = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";

Task<void> talk(Loop& loop, Conversation& conversation, std::uint16_t port, int questions,
                std::vector<std::string>& said) {
  Resolver resolver;
  for (int i = 0; i < questions; ++i) {
    Question question;
    question.method = "POST";
    question.url = "http://127.0.0.1:" + std::to_string(port) + "/in";
    question.body = "question " + std::to_string(i);
    question.timeout_ms = 2'000;
    question.answer_bytes_max = 10;
    Result<Reply> reply = co_await conversation.ask(loop, resolver, nullptr, std::move(question));
    said.push_back(reply ? std::to_string(reply->status) : reply.error().what);
  }
}

// What was answered to so many questions, one behind the other.
std::vector<std::string> answers(RawPeer& peer, int questions) {
  Loop loop;
  Conversation conversation;
  std::vector<std::string> said;
  run_on(loop, talk(loop, conversation, peer.port(), questions, said));
  return said;
}

RawPeer::Script good(int answers) {
  return [answers](Link& link) {
    for (int i = 0; i < answers; ++i) {
      if (!link.read_request().ends_with("question " + std::to_string(i))) return;
      link.send(kGood);
    }
  };
}

using Said = std::vector<std::string>;

TEST(Conversation, OneConnectionForAllQuestions) {
  RawPeer peer({good(50)});
  EXPECT_EQ(answers(peer, 50), Said(50, "200"));
  EXPECT_EQ(peer.accepted(), 1u);
}

TEST(Conversation, AHostThatHangsUpAfterEachIsConnectedToAgain) {
  const auto once = [](Link& link) {
    link.read_request();
    link.send(kLast);
  };
  RawPeer peer({once, once, once});
  EXPECT_EQ(answers(peer, 3), Said(3, "200"));
}

TEST(Conversation, AKeptConnectionThatIsClosedUnderTheQuestionIsReplacedOnce) {
  const auto once_and_gone = [](Link& link) {
    link.read_request();
    link.send(kGood);
    link.read_request();  // and no answer
  };
  RawPeer peer({once_and_gone, [](Link& link) {
                  EXPECT_TRUE(link.read_request().ends_with("question 1")) << "whole once more";
                  link.send(kGood);
                }});
  EXPECT_EQ(answers(peer, 2), Said(2, "200"));
  EXPECT_EQ(peer.accepted(), 2u);
}

TEST(Conversation, ANewConnectionThatIsClosedIsAFailure) {
  const auto gone = [](Link& link) { link.read_request(); };
  RawPeer peer({gone, good(1)});
  EXPECT_EQ(answers(peer, 1), Said{"the peer closed without an answer"});
  EXPECT_EQ(peer.accepted(), 1u);
}

TEST(Conversation, AnAnswerThatBeganIsNotAskedForAgain) {
  RawPeer peer({[](Link& link) {
                  link.read_request();
                  link.send(kGood);
                  link.read_request();
                  link.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{");
                },
                good(1)});
  EXPECT_EQ(answers(peer, 2), (Said{"200", "the peer closed before the end of its answer"}));
  EXPECT_EQ(peer.accepted(), 1u);
}

TEST(Conversation, AnAnswerThatIsTooLargeEndsTheConnection) {
  RawPeer peer({[](Link& link) {
                  link.read_request();
                  link.send("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n01234567890");
                  link.read_request();
                },
                [](Link& link) {
                  link.read_request();
                  link.send(kGood);
                }});
  EXPECT_EQ(answers(peer, 2), (Said{"the answer is larger than allowed", "200"}));
  EXPECT_EQ(peer.accepted(), 2u);
}

TEST(Conversation, WhatNobodyAskedForEndsTheConnection) {
  RawPeer peer({[](Link& link) {
                  link.read_request();
                  link.send(std::string(kGood) + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                  link.read_request();
                },
                [](Link& link) {
                  link.read_request();
                  link.send("HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n");
                }});
  EXPECT_EQ(answers(peer, 2), (Said{"200", "201"})) << "an answer in advance is not believed";
  EXPECT_EQ(peer.accepted(), 2u);
}

}  // namespace
}  // namespace sallyport::net
