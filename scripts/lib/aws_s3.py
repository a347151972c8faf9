"""`aws s3 ls --recursive URL` and `aws s3 cp FROM TO`, for machines without the AWS CLI: the demo edits the bucket by hand."""

import sys

import boto3
from botocore.config import Config


def split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def main(arguments: list[str]) -> None:
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    match arguments:
        case ["s3", "ls", "--recursive", url]:
            bucket, prefix = split(url)
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    print(f"{item['LastModified']:%Y-%m-%d %H:%M:%S} {item['Size']:10} {item['Key']}")
        case ["s3", "cp", source, target] if target.startswith("s3://"):
            bucket, key = split(target)
            s3.upload_file(source, bucket, key)
            print(f"upload: {source} to {target}")
        case ["s3", "cp", source, target] if source.startswith("s3://"):
            bucket, key = split(source)
            s3.download_file(bucket, key, target)
            print(f"download: {source} to {target}")
        case _:
            sys.exit("only: aws s3 ls --recursive s3://BUCKET[/PREFIX], aws s3 cp between FILE and s3://BUCKET/KEY")


if __name__ == "__main__":
    main(sys.argv[1:])
